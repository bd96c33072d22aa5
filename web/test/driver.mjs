// Drives Chromium for tests/viewer_test.py: one JSON command a line on standard input, one answer a line.
import { chromium } from "playwright-core";
import { createInterface } from "node:readline";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
const errors = [];
page.on("pageerror", (error) => errors.push(String(error)));
page.on("dialog", (dialog) => dialog.accept());
page.setDefaultTimeout(60_000);
// Notes what the page plays: [seconds from now on when it is to be heard, its length, its peak, its tone in Hz].
await page.addInitScript(() => {
  window.heard = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when) {
    const line = this.buffer.getChannelData(0);
    const rises = line.reduce((count, value, i) => count + (i > 0 && line[i - 1] < 0 && value >= 0), 0);
    const peak = line.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    window.heard.push([when - this.context.currentTime, this.buffer.duration, peak, rises / this.buffer.duration]);
    start.call(this, when);
  };
});

const commands = {
  open: ({ url }) => page.goto(url).then(() => null),
  scheme: ({ scheme }) => page.emulateMedia({ colorScheme: scheme }),
  click: ({ at }) => page.click(at),
  fill: ({ at, text }) => page.fill(at, text),
  choose: ({ at, value }) => page.selectOption(at, value),
  press: ({ key }) => page.keyboard.press(key),
  text: ({ at }) => page.textContent(at),
  value: ({ at }) => page.inputValue(at),
  see: ({ at }) => page.waitForSelector(at).then(() => null),
  there: ({ at }) => page.waitForSelector(at, { state: "attached" }).then(() => null),
  until: ({ at, text }) => page.locator(at).filter({ hasText: text }).waitFor().then(() => null),
  size: ({ width, height }) => page.setViewportSize({ width, height }),
  // Of what is visible: its id, left, top, right and bottom.
  boxes: ({ at }) =>
    page.$$eval(at, (found) =>
      found.filter((one) => one.checkVisibility()).map((one) => {
        const box = one.getBoundingClientRect();
        return [one.id, box.left, box.top, box.right, box.bottom];
      }),
    ),
  width: () => page.evaluate(() => document.documentElement.scrollWidth),
  shot: ({ path }) => page.screenshot({ path }).then(() => null),
  attribute: ({ at, name }) => page.getAttribute(at, name),
  download: async ({ at, path }) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(at)]);
    await download.saveAs(path);
    return download.suggestedFilename();
  },
  heard: () => page.evaluate(() => window.heard.splice(0)),
  errors: () => errors,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: (await commands[command](options)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
