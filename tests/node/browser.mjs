// A real browser, one command at a time (see `src/node.rs`).

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { serve } from "./lines.mjs";

const require = createRequire(import.meta.url);
const client = require("socket.io-client/package.json");
const clientFile = join(require.resolve("socket.io-client/package.json"), "../dist/socket.io.min.js");

const TIMEOUT = 15_000;
// What these tests serve themselves; nothing else is reached.
const HERE = /^https:\/\/(127\.0\.0\.1|localhost|([^/:]+\.)?shop\.test)[:/]/;
const pages = new Map();
let context;
let profile;

async function page(name) {
  if (!pages.has(name)) {
    const opened = await context.newPage();
    opened.setDefaultTimeout(TIMEOUT);
    const errors = [];
    opened.on("pageerror", (error) => errors.push(error.message));
    pages.set(name, { opened, errors });
  }
  return pages.get(name).opened;
}

serve({
  async launch({ executable, options, untouched, preferences, internet = true }) {
    profile = await mkdtemp(join(tmpdir(), "browser-"));
    if (preferences) {
      await mkdir(join(profile, "Default"));
      await writeFile(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
    }
    context = await chromium.launchPersistentContext(profile, {
      executablePath: executable,
      // The certificates of these tests are their own.
      ignoreHTTPSErrors: true,
      args: [
        ...(options ?? []),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    // The page loads the client from its public CDN; here it gets the very file from the installed package, and the
    // browser checks it against the hash that the page gives. Where requests are intercepted, no preflight leaves the
    // browser.
    if (untouched) return;
    await context.route(/^https:\/\//, async (route) => {
      const url = route.request().url();
      if (internet && url === `https://cdn.jsdelivr.net/npm/socket.io-client@${client.version}/dist/socket.io.min.js`) {
        await route.fulfill({
          contentType: "text/javascript",
          headers: { "access-control-allow-origin": "*" },
          body: await readFile(clientFile),
        });
      } else if (HERE.test(url)) {
        await route.continue();
      } else {
        await route.abort();
      }
    });
  },

  async open({ page: name, url }) {
    await (await page(name)).goto(url);
  },
  async reload({ page: name }) {
    await (await page(name)).reload();
  },
  async fill({ page: name, selector, text }) {
    await (await page(name)).fill(selector, text);
  },
  async click({ page: name, selector }) {
    await (await page(name)).click(selector);
  },

  // Waits until the element is there and visible.
  async visible({ page: name, selector }) {
    await (await page(name)).waitForSelector(selector, { state: "visible" });
  },

  // Waits until a visible element's text contains `text`.
  async reads({ page: name, selector, text }) {
    const found = (await page(name)).locator(selector).filter({ hasText: text });
    await found.first().waitFor({ state: "visible" });
  },

  // Waits until the page's expression is true.
  async until({ page: name, expression }) {
    await (await page(name)).waitForFunction(expression);
  },

  async evaluate({ page: name, expression }) {
    return (await page(name)).evaluate(expression);
  },

  async cookies({ url }) {
    return context.cookies(url);
  },

  async screenshot({ page: name, path }) {
    await (await page(name)).screenshot({ path });
  },

  errors({ page: name }) {
    return pages.get(name).errors;
  },

  async close() {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  },
});
