// The talk between a Rust test and a Node helper: one JSON object a line. A request is `{id, command, ...}`; its
// answer is `{id, value}` or `{id, error}`. Requests are carried out as they come and answered when they are done, so
// that one that waits holds up no other.

import { createInterface } from "node:readline";

export function serve(commands) {
  createInterface({ input: process.stdin }).on("line", async (line) => {
    const { id, command, ...options } = JSON.parse(line);
    let answer;
    try {
      answer = { id, value: (await commands[command](options)) ?? null };
    } catch (error) {
      answer = { id, error: String(error?.message ?? error) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }).on("close", () => process.exit(0));
}

// `promise`, or an error that tells what was waited for.
export function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${milliseconds} ms for ${what}`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
