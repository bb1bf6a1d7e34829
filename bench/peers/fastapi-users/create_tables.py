"""Creates the tables; the full example does the same at start, and says to leave it to migrations in production."""

import asyncio

from app.db import create_db_and_tables

asyncio.run(create_db_and_tables())
