/** Runs in the audio thread: posts the microphone's samples, an eighth of a second at a time. */

declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

class Pcm extends AudioWorkletProcessor {
  private samples = new Float32Array(Math.round(sampleRate / 8));
  private filled = 0;

  constructor() {
    super();
    this.port.onmessage = () => this.flush();
  }

  process([channels]: Float32Array[][]): boolean {
    for (const sample of channels?.[0] ?? []) {
      this.samples[this.filled++] = sample;
      if (this.filled === this.samples.length) this.flush();
    }
    return true;
  }

  private flush(): void {
    this.port.postMessage(this.samples.slice(0, this.filled));
    this.filled = 0;
  }
}

registerProcessor("pcm", Pcm);
