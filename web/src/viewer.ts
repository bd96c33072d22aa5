// One machine in the browser: how far it is, then its screen and its sound.
import RFB from "@novnc/novnc/lib/rfb";

import { press, type } from "./keyboard";
import { figures, hasScreen, headline, type Progress } from "./progress";
import { Sound } from "./sound";

const poll = 1000; // milliseconds

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

const body = document.body;
const meter = element<HTMLProgressElement>("meter");
const size = element<HTMLSelectElement>("size");
const typing = element<HTMLDialogElement>("typing");
const start = element<HTMLOptionElement>("start");
const speaker = element<HTMLButtonElement>("sound");
const sound = new Sound();

let rfb: RFB | null = null;
let connected = false;
let starter = ""; // what starts the machine, where this page cannot
let ends = false; // it is off, or about to be
let failure = ""; // why, if it did not work

function show(view: "wait" | "login" | "screen"): void {
  if (body.dataset.view === view) return;
  body.dataset.view = view;
  if (view === "login") element("password").focus();
}

function say(text: string): void {
  element("state").textContent = text;
}

// What somebody asked for and did not get is said for a while, whatever the machine tells meanwhile.
let refused = { text: "", until: 0 };
function refuse(text: string): void {
  if (!text) return;
  refused = { text, until: Date.now() + 10_000 };
  body.dataset.refused = "";
  say(text);
}

function wait(title: string, message: string): void {
  element("headline").textContent = title;
  element("message").textContent = message;
  element("figures").textContent = "";
  meter.hidden = true;
}

function showProgress(progress: Progress): void {
  const title = progress.title || "hako";
  element("title").textContent = title;
  document.title = progress.percent === null ? title : `${Math.floor(progress.percent)} % · ${title}`;
  body.dataset.stage = progress.stage;
  speaker.hidden = !progress.sound;
  starter = progress.starter ?? "";
  ends = progress.stage === "stopping" || progress.stage === "stopped" || progress.stage === "failed";
  failure = progress.stage === "failed" ? progress.message : "";
  start.hidden = start.disabled = starter !== "";
  if (Date.now() >= refused.until) delete body.dataset.refused;
  if ("refused" in body.dataset) say(refused.text);
  else if (!connected) say(headline(progress));
  else if (progress.stage === "stopping") say(headline(progress));
  else say(progress.stage === "waiting" ? progress.message : "");
  if (connected) return;
  wait(headline(progress), progress.message);
  const loads = progress.stage === "downloading" || progress.stage === "preparing";
  const percent = progress.percent === null ? "" : `${progress.percent.toFixed(1)} % · `;
  if (loads) {
    meter.hidden = false;
    if (progress.percent === null) meter.removeAttribute("value");
    else meter.value = progress.percent;
    element("figures").textContent = percent + figures(progress);
  }
}

function applySize(): void {
  if (!rfb) return;
  rfb.scaleViewport = size.value !== "actual";
  rfb.resizeSession = size.value === "resize";
}

function connect(): void {
  const url = new URL("screen", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  rfb = new RFB(element("screen"), url.href, { shared: true, wsProtocols: ["binary"] });
  rfb.background = "#000";
  rfb.focusOnClick = true;
  applySize();
  rfb.addEventListener("connect", () => {
    connected = true;
    say("");
    show("screen");
    rfb?.focus();
  });
  rfb.addEventListener("disconnect", () => {
    rfb = null;
    connected = false;
    wait("Reconnecting", "The screen is away for a moment.");
    show("wait");
  });
}

// A viewer that ends with its machine answers no more: the browser's own words do not say why.
function sayGone(error: unknown): void {
  const known = error instanceof Error && !(error instanceof TypeError);
  if (known) return wait("Reconnecting", error.message);
  if (starter && failure) {
    wait("It did not work", failure);
    element("figures").textContent = `Start it again with ${starter}`;
    return;
  }
  say("");
  if (starter && ends) return wait("Off", `The machine is off. Start it with ${starter}`);
  const hint = starter ? ` If the machine is off, start it with ${starter}` : "";
  wait("Reconnecting", `There is no answer.${hint}`);
}

async function look(): Promise<void> {
  const answer = await fetch("progress", { cache: "no-store" });
  if (answer.status === 401) return show("login");
  if (!answer.ok) throw new Error(((await answer.json()) as { message: string }).message);
  const progress = (await answer.json()) as Progress;
  if (!connected) show("wait");
  showProgress(progress);
  if (hasScreen(progress) && !rfb) connect();
  if (connected) sound.keep();
}

async function keepLooking(): Promise<void> {
  for (;;) {
    try {
      await look();
    } catch (error) {
      if (!connected) {
        show("wait");
        sayGone(error);
      }
    }
    await new Promise((done) => setTimeout(done, poll));
  }
}

async function send(path: string, content?: object): Promise<string> {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content ?? {}),
  });
  if (answer.ok) return "";
  return ((await answer.json().catch(() => ({}))) as { message?: string }).message ?? `status ${answer.status}`;
}

element<HTMLFormElement>("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = element<HTMLInputElement>("password");
  const refusal = await send("login", { password: password.value });
  element("refusal").textContent = refusal;
  password.value = "";
  if (!refusal) await look();
});

// A select that is a menu: does something with what is chosen, and shows its name again.
function menu(id: string, chosen: (value: string) => unknown): void {
  const select = element<HTMLSelectElement>(id);
  select.addEventListener("change", () => {
    const value = select.value;
    select.value = "";
    void chosen(value);
    rfb?.focus();
  });
}

menu("keys", (shortcut) => rfb && press(rfb, shortcut));
menu("power", async (action) => {
  if (action === "kill" && !confirm("Cut the machine's power? What is not saved is lost.")) return;
  refuse(await send(`power?action=${action}`));
});
size.addEventListener("change", () => {
  applySize();
  rfb?.focus();
});

element("type").addEventListener("click", async () => {
  const text = element<HTMLTextAreaElement>("text");
  // Browsers give the clipboard to secure pages only, and ask.
  text.value = (await navigator.clipboard?.readText().catch(() => "")) ?? "";
  typing.showModal();
  text.select();
});
typing.addEventListener("close", () => {
  const text = element<HTMLTextAreaElement>("text");
  if (rfb && typing.returnValue === "ok") void type(rfb, text.value);
  text.value = "";
  typing.returnValue = "";
  rfb?.focus();
});

element("shot").addEventListener("click", () => {
  if (!rfb) return;
  const link = document.createElement("a");
  link.href = rfb.toDataURL("image/png");
  link.download = `screen-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.png`;
  link.click();
  rfb.focus();
});
speaker.addEventListener("click", () => {
  if (sound.wanted) sound.stop();
  else sound.start();
  speaker.setAttribute("aria-pressed", String(sound.wanted));
  rfb?.focus();
});
element("full").addEventListener("click", () => {
  void element("screen").requestFullscreen();
  rfb?.focus();
});

void keepLooking();
