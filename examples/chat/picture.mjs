// Makes `picture.png`, which the README shows: two visitors of the running chat. Needs what `tests/run` installs.
//
//     node examples/chat/picture.mjs

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { chromium } = createRequire(here("../../tests/node/package.json"))("playwright-core");

const SIZE = { width: 400, height: 430 };

/** The program, and its address. */
async function chat() {
  const program = spawn("cargo", ["run", "--quiet", "--package", "chat"], {
    cwd: here("../.."),
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = await once(createInterface(program.stdout), "line");
  return { program, url };
}

async function browser() {
  for (const channel of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return await chromium.launch({ executablePath: `/usr/bin/${channel}`, args: ["--no-sandbox"] });
    } catch {
      // Another name, then.
    }
  }
  throw new Error("Chromium is missing");
}

async function visitor(browser, url, name, colorScheme) {
  const context = await browser.newContext({ viewport: SIZE, colorScheme });
  // The page's own small client does.
  await context.route(/^https:/, (route) => route.abort());
  const page = await context.newPage();
  await page.goto(url);
  await page.fill("#login input", name);
  await page.click("#login button");
  await page.waitForSelector("#say:not([hidden])");
  return page;
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

const { program, url } = await chat();
const started = await browser();
try {
  const ada = await visitor(started, url, "Ada", "light");
  const grace = await visitor(started, url, "Grace", "dark");
  const all = [
    [ada, "Hello, Grace!"],
    [grace, "If I log out in one tab .."],
    [ada, ".. you have in all of them."],
  ];
  for (const [page, text] of all) {
    await say(page, text);
    for (const each of [ada, grace]) await each.getByText(text).waitFor();
  }
  const shots = await Promise.all([ada, grace].map((page) => page.screenshot({ animations: "disabled" })));
  const images = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString("base64")}">`);
  const both = await started.newPage({ viewport: { width: 2 * SIZE.width, height: SIZE.height } });
  await both.setContent(`<style>body { margin: 0; display: flex; }</style>${images.join("")}`);
  await both.screenshot({ path: here("picture.png") });
} finally {
  await started.close();
  program.kill();
}
