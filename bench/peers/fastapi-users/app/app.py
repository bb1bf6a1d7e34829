"""The application: the routers that are measured, and a path that tells that it serves."""

from fastapi import FastAPI

from app.users import UserCreate, UserRead, UserUpdate, auth_backend, fastapi_users

app = FastAPI()
app.include_router(fastapi_users.get_auth_router(auth_backend), prefix="/auth/jwt", tags=["auth"])
app.include_router(fastapi_users.get_register_router(UserRead, UserCreate), prefix="/auth", tags=["auth"])
app.include_router(fastapi_users.get_users_router(UserRead, UserUpdate), prefix="/users", tags=["users"])


@app.get("/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}
