// Prints the processor time of one verification of a password in milliseconds, by the library's own code.
import { hashPassword, verifyPassword } from "better-auth/crypto";

const password = "correct-horse-battery-staple";
const hash = await hashPassword(password);
const rounds = 10;
const before = process.cpuUsage();
for (let round = 0; round < rounds; round += 1) {
  await verifyPassword({ hash, password });
}
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1000 / rounds);
