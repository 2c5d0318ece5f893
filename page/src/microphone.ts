/** Records speech: samples as they arrive, and a WAV file at the end. */

import { Problem } from "./problems";
import { pcm16, wavFile } from "./wav";

type Source = MediaStreamAudioSourceNode & { context: AudioContext };

/** The sampling rate of the models: less to send than at the microphone's own. */
const SAMPLE_RATE = 16000;

/** Milliseconds to wait for the last samples of the audio thread. */
const PATIENCE = 1000;

/** The shortest recording: no word is shorter. */
const SHORTEST_SECONDS = 0.2;

/** Opens a stream at the models' rate if the browser resamples; Firefox keeps the microphone's. */
function openSource(stream: MediaStream): Source {
  const context = new AudioContext({ sampleRate: SAMPLE_RATE });
  try {
    return new MediaStreamAudioSourceNode(context, { mediaStream: stream }) as Source;
  } catch {
    void context.close();
    return new MediaStreamAudioSourceNode(new AudioContext(), { mediaStream: stream }) as Source;
  }
}

export class Microphone {
  private readonly chunks: Int16Array<ArrayBuffer>[] = [];
  private samples = 0;
  /** Called with each piece of the recording. */
  onSamples: (samples: Int16Array<ArrayBuffer>) => void = () => {};

  private constructor(
    readonly stream: MediaStream,
    private readonly context: AudioContext,
    private readonly worklet: AudioWorkletNode,
  ) {
    worklet.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
      const samples = pcm16(data);
      this.chunks.push(samples);
      this.samples += samples.length;
      this.onSamples(samples);
    };
  }

  /** Asks for the microphone; throws a `Problem` if it cannot be used. */
  static async open(): Promise<Microphone> {
    // Browsers hide it from pages that were loaded over plain HTTP from another machine.
    if (!navigator.mediaDevices) throw new Problem("insecure");
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } catch (error) {
      const name = error instanceof DOMException ? error.name : "";
      throw new Problem(name === "NotAllowedError" ? "refused-microphone" : "no-microphone");
    }
    const source = openSource(stream);
    await source.context.audioWorklet.addModule("page/pcm-worklet.js");
    const worklet = new AudioWorkletNode(source.context, "pcm", {
      numberOfOutputs: 0,
      channelCount: 1,
    });
    source.connect(worklet);
    return new Microphone(stream, source.context, worklet);
  }

  get sampleRate(): number {
    return this.context.sampleRate;
  }

  get seconds(): number {
    return this.samples / this.sampleRate;
  }

  /** Releases the microphone and returns the recording; throws a `Problem` if it is empty. */
  async close(): Promise<File> {
    const last = new Promise<void>((resolve) => {
      setTimeout(resolve, PATIENCE); // a device that was unplugged does not answer
      const collect = this.worklet.port.onmessage!;
      this.worklet.port.onmessage = (message) => {
        collect.call(this.worklet.port, message);
        resolve();
      };
    });
    this.worklet.port.postMessage("flush");
    await last;
    this.release();
    if (this.seconds < SHORTEST_SECONDS) throw new Problem("empty-recording");
    if (this.chunks.every((chunk) => chunk.every((sample) => sample === 0)))
      throw new Problem("silent-recording");
    return wavFile(this.chunks, this.sampleRate, "recording.wav");
  }

  /** Releases the microphone. */
  release(): void {
    this.worklet.port.onmessage = null; // some samples may still arrive
    this.stream.getTracks().forEach((track) => track.stop());
    void this.context.close();
  }
}
