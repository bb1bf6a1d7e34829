// The options of better-auth, shared by the server and by the migrations.
import { betterAuth } from "better-auth";
import pg from "pg";

const port = process.env.PORT ?? "3000";

export const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: process.env.BETTER_AUTH_SECRET,
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  // Everything that is measured has its limits off: one load generator sends what many people would.
  rateLimit: { enabled: false },
  session: {
    // Answers who-am-I from a signed cookie for five minutes, at the price that a revoked session lives on until then.
    cookieCache: { enabled: process.env.COOKIE_CACHE === "on", maxAge: 5 * 60 },
  },
});
