/** Requests to the server that the page was loaded from. */

import { Problem, type ProblemKind } from "./problems";
import type { Transcript } from "./transcript";

export interface Model {
  id: string;
  /** Their names, the default first. */
  decodings: string[];
}

export interface Offer {
  data: Model[];
  /** Largest size of a file. */
  max_bytes: number;
  /** Longest duration of a recording. */
  max_seconds: number;
}

export interface Choice {
  model: string;
  decoding: string;
}

const KEY = "wav2vec2-tf key";

/** The API key, stored until the tab is closed. */
export const key = {
  get: (): string => sessionStorage.getItem(KEY) ?? "",
  set: (value: string): void => sessionStorage.setItem(KEY, value),
};

function authorization(): Record<string, string> {
  return key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
}

const BY_CODE: Record<string, ProblemKind> = {
  audio_too_long: "too-long",
  invalid_audio: "not-audio",
};

/** A proxy may answer in the server's place, with a status alone. */
const BY_STATUS: Record<number, ProblemKind> = {
  401: "wrong-key",
  404: "no-such-model",
  408: "late",
  413: "too-large",
  429: "busy",
  502: "away",
  503: "stopping",
  504: "late",
};

interface ErrorBody {
  message?: string;
  code?: string | null;
}

/** Makes a `Problem` of an error in OpenAI's form. */
function problemOf(status: number, answer: string): Problem {
  let error: ErrorBody = {};
  try {
    error = (JSON.parse(answer) as { error?: ErrorBody }).error ?? {};
  } catch {
    // not an answer of the server
  }
  const kind = BY_CODE[error.code ?? ""] ?? BY_STATUS[status] ?? "failed";
  return new Problem(kind, error.message);
}

/** Returns the models and limits of the server. */
export async function offer(): Promise<Offer> {
  let response: Response;
  try {
    response = await fetch("v1/models", { headers: authorization() });
  } catch {
    throw new Problem("away");
  }
  const answer = await response.text();
  if (!response.ok) throw problemOf(response.status, answer);
  return JSON.parse(answer) as Offer;
}

/** Sends a file and returns its transcript; `sent` is called with the part sent so far, 0 to 1. */
export function transcribe(
  file: File,
  choice: Choice,
  sent: (part: number) => void,
  signal: AbortSignal,
): Promise<Transcript> {
  const form = new FormData();
  form.append("file", file);
  form.append("model", choice.model);
  form.append("decoding", choice.decoding);
  form.append("response_format", "verbose_json");
  form.append("timestamp_granularities[]", "word");
  form.append("timestamp_granularities[]", "subtitle");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report progress
    request.open("POST", "v1/audio/transcriptions");
    for (const [name, value] of Object.entries(authorization()))
      request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => sent(loaded / total);
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText) as Transcript);
      else reject(problemOf(request.status, request.responseText));
    };
    request.onerror = () => reject(new Problem("away"));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

type Message =
  | { type: "partial"; text: string }
  | ({ type: "final" } & Transcript)
  | { type: "error"; error: ErrorBody };

/** A stream of speech to the server, which answers while it arrives. */
export class Stream {
  private readonly socket = new WebSocket("v1/audio/stream");
  private readonly opened: Promise<void>;
  private readonly final: Promise<Transcript | null>;

  /** `partial` is called with the text so far, or with null if the stream failed. */
  constructor(choice: Choice, sampleRate: number, partial: (text: string | null) => void) {
    const { socket } = this;
    this.opened = new Promise((resolve) => (socket.onopen = () => resolve()));
    this.final = new Promise((resolve) => {
      socket.onclose = () => {
        partial(null);
        resolve(null);
      };
      socket.onmessage = ({ data }: MessageEvent<string>) => {
        const message = JSON.parse(data) as Message;
        if (message.type === "partial") partial(message.text);
        else if (message.type === "final") resolve(message);
        else socket.close();
      };
    });
    const start = { ...choice, sample_rate: sampleRate, encoding: "pcm_s16le" };
    this.send(JSON.stringify(key.get() ? { ...start, api_key: key.get() } : start));
  }

  /** Sends samples or a message, in order, once the socket is open. */
  send(message: string | Int16Array<ArrayBuffer>): void {
    const { socket } = this;
    void this.opened.then(() => socket.readyState === WebSocket.OPEN && socket.send(message));
  }

  /** Ends the stream and returns the transcript; null if it failed: then send a file. */
  end(): Promise<Transcript | null> {
    this.send(JSON.stringify({ type: "end" }));
    return this.final;
  }

  close(): void {
    this.socket.close();
  }
}
