/** Messages for all that can go wrong. */

const WORDS = {
  "not-audio": [
    "This is not a recording that the server can read.",
    "Choose an audio file: WAV, FLAC, OGG or MP3, for example.",
  ],
  "empty-file": ["This file is empty.", "Choose another."],
  "too-large": ["This file is too large.", "Choose a smaller one, or cut it into parts."],
  "too-long": ["This recording is too long.", "Choose a shorter one, or cut it into parts."],
  "no-such-model": ["The server no longer has this model.", "Choose another, and try again."],
  "wrong-key": ["The server requires an API key.", "Enter one, and try again."],
  busy: ["The server has too much to do.", "Wait a moment, and try again."],
  stopping: ["The server is stopping.", "Try again when it is back."],
  late: ["The server took too long.", "Try again, or choose a shorter recording."],
  away: ["The server does not answer.", "Check that it is running and that you are connected, and try again."],
  failed: ["The server could not do this.", "Try again; its log says more."],
  "refused-microphone": [
    "This page may not use the microphone.",
    "Allow it in the browser's settings of this site, and try again.",
  ],
  "no-microphone": ["No microphone was found.", "Connect one, or choose a file."],
  insecure: [
    "The browser does not let this page use a microphone.",
    "It does over HTTPS, or on the server's own machine. Choose a file instead.",
  ],
  "empty-recording": ["Nothing was recorded.", "Record again, for a second at least."],
  "silent-recording": [
    "The recording is silent.",
    "Check whether the microphone is muted, and record again.",
  ],
} as const;

export type ProblemKind = keyof typeof WORDS;

/** Something that the user can correct, or should know. */
export class Problem extends Error {
  constructor(
    readonly kind: ProblemKind,
    /** The message of the server. */
    readonly detail = "",
  ) {
    super(WORDS[kind][0]);
  }

  get advice(): string {
    return WORDS[this.kind][1];
  }

  /** Whether another file is needed. */
  get withFile(): boolean {
    return ["not-audio", "empty-file", "too-large", "too-long"].includes(this.kind);
  }

  /** Whether a retry may succeed. */
  get passing(): boolean {
    return ["busy", "stopping", "late", "away", "failed", "wrong-key"].includes(this.kind);
  }
}

/** Returns an error as a `Problem`; logs an unexpected one to the console. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem("failed");
}
