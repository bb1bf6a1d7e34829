// Serves better-auth by plain node:http, one process.
import { createServer } from "node:http";
import { toNodeHandler } from "better-auth/node";
import { auth } from "./auth.js";

const port = Number(process.env.PORT ?? "3000");

createServer(toNodeHandler(auth)).listen(port, "127.0.0.1");
