/** A transcript with times, as the server sends it. */

export interface Word {
  word: string;
  /** Seconds. */
  start: number;
  /** Seconds. */
  end: number;
  /** 0 to 1. */
  confidence: number;
}

export interface Subtitle {
  /** Seconds. */
  start: number;
  /** Seconds. */
  end: number;
  lines: string[];
}

export interface Transcript {
  text: string;
  /** Seconds of the recording. */
  duration: number;
  words: Word[];
  subtitles: Subtitle[];
}

/** The confidence of a word in three classes; each has its own underline. */
export type Sureness = "sure" | "fair" | "unsure";

export function sureness(confidence: number): Sureness {
  if (confidence >= 0.9) return "sure";
  return confidence >= 0.6 ? "fair" : "unsure";
}

export const percent = (confidence: number): string => `${Math.round(100 * confidence)} %`;

/** Formats a time as `minutes:seconds`, from one hour on with hours. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** Returns the index of the word that is spoken at `seconds`, or -1. */
export function wordAt(words: readonly Word[], seconds: number): number {
  let [low, high] = [0, words.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle]!.start <= seconds) low = middle + 1;
    else high = middle;
  }
  const last = words[low - 1];
  return last && seconds < last.end ? low - 1 : -1;
}
