// What the machine plays: samples by a WebSocket (signed, 16 bits, little-endian, left and right), played as they
// come. Not by a worklet: browsers have those on secure pages only.
const rate = 48000;
const channels = 2;
const frame = 2 * channels; // bytes
const ahead = 0.1; // seconds that are kept ready, so that what comes late leaves no gap
const most = 0.5; // seconds: what comes when so many wait is dropped, and the sound stays with the picture

export class Sound {
  #context: AudioContext | null = null;
  #socket: WebSocket | null = null;
  #next = 0; // when what comes next is to be heard

  get wanted(): boolean {
    return this.#context !== null;
  }

  // To be called while the user clicks: browsers let no page begin by itself.
  start(): void {
    this.#context ??= new AudioContext({ sampleRate: rate });
    void this.#context.resume();
    this.keep();
  }

  stop(): void {
    this.#socket?.close();
    void this.#context?.close();
    this.#socket = this.#context = null;
  }

  // Connects, also again, where it is wanted and there is no connection.
  keep(): void {
    if (!this.wanted || this.#socket) return;
    const url = new URL("sound", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, ["binary"]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event) => {
      if (this.#socket === socket) this.#play(event.data as ArrayBuffer);
    });
    socket.addEventListener("close", () => {
      if (this.#socket === socket) this.#socket = null;
    });
  }

  #play(data: ArrayBuffer): void {
    const context = this.#context;
    const frames = Math.floor(data.byteLength / frame);
    if (!context || frames === 0 || this.#next - context.currentTime > most) return;
    const samples = new DataView(data);
    const buffer = context.createBuffer(channels, frames, rate);
    for (let channel = 0; channel < channels; channel++) {
      const line = buffer.getChannelData(channel);
      for (let i = 0; i < frames; i++) line[i] = samples.getInt16(i * frame + channel * 2, true) / 0x8000;
    }
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    if (this.#next < context.currentTime) this.#next = context.currentTime + ahead;
    source.start(this.#next);
    this.#next += buffer.duration;
  }
}
