// Typing at the machine: text as the keys of an American keyboard, and shortcuts.
import type RFB from "@novnc/novnc/lib/rfb";

interface Key {
  code: string;
  shift: boolean;
}

const keys = new Map<string, Key>();

function addRow(codes: string[], plain: string, shifted: string): void {
  codes.forEach((code, i) => {
    keys.set(plain.charAt(i), { code, shift: false });
    keys.set(shifted.charAt(i), { code, shift: true });
  });
}

for (const letter of "abcdefghijklmnopqrstuvwxyz") addRow([`Key${letter.toUpperCase()}`], letter, letter.toUpperCase());
addRow([..."1234567890"].map((digit) => `Digit${digit}`), "1234567890", "!@#$%^&*()");
addRow(["Minus", "Equal", "BracketLeft", "BracketRight", "Backslash"], "-=[]\\", "_+{}|");
addRow(["Semicolon", "Quote", "Backquote", "Comma", "Period", "Slash"], ";'`,./", ':"~<>?');
keys.set(" ", { code: "Space", shift: false });
keys.set("\n", { code: "Enter", shift: false });
keys.set("\t", { code: "Tab", shift: false });

const named: Record<string, number> = {
  AltLeft: 0xffe9,
  ControlLeft: 0xffe3,
  Delete: 0xffff,
  Enter: 0xff0d,
  Escape: 0xff1b,
  MetaLeft: 0xffeb,
  ShiftLeft: 0xffe1,
  Tab: 0xff09,
};

// X's symbol of a character: Latin-1 as it is, the rest of Unicode above 2^24.
function symbolOf(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  return point < 0x100 ? point : 0x1000000 + point;
}

const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

// Slowly enough for firmware and installers.
export async function type(rfb: RFB, text: string): Promise<void> {
  for (const character of text.replaceAll("\r\n", "\n")) {
    const key = keys.get(character);
    if (key?.shift) rfb.sendKey(named.ShiftLeft!, "ShiftLeft", true);
    if (key) rfb.sendKey(named[key.code] ?? symbolOf(character), key.code);
    else rfb.sendKey(symbolOf(character), null);
    if (key?.shift) rfb.sendKey(named.ShiftLeft!, "ShiftLeft", false);
    await pause(12);
  }
}

// "MetaLeft+Space": pressed in this order, let go in the other.
export function press(rfb: RFB, shortcut: string): void {
  const codes = shortcut.split("+");
  const symbol = (code: string): number => {
    const character = [...keys].find(([, key]) => key.code === code && !key.shift)?.[0] ?? " ";
    const number = /^F(\d+)$/.exec(code)?.[1];
    return number ? 0xffbd + Number(number) : (named[code] ?? symbolOf(character));
  };
  for (const code of codes) rfb.sendKey(symbol(code), code, true);
  for (const code of codes.reverse()) rfb.sendKey(symbol(code), code, false);
}
