/** Writes a transcript to files. */

import type { Transcript } from "./transcript";

/** Formats a time as `hours:minutes:seconds`, with three decimals after `point`. */
function time(seconds: number, point: string): string {
  const milliseconds = Math.round(1000 * seconds);
  const two = (value: number) => String(Math.floor(value) % 60).padStart(2, "0");
  const hours = String(Math.floor(milliseconds / 3_600_000)).padStart(2, "0");
  const decimals = String(milliseconds % 1000).padStart(3, "0");
  return `${hours}:${two(milliseconds / 60_000)}:${two(milliseconds / 1000)}${point}${decimals}`;
}

const stacked = (lines: string[]): string => lines.map((line) => `${line}\n`).join("");

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** File extension → function that writes the content. */
export const FORMATS: Record<string, (transcript: Transcript) => string> = {
  srt: ({ subtitles }) =>
    subtitles
      .map(
        ({ start, end, lines }, index) =>
          `${index + 1}\n${time(start, ",")} --> ${time(end, ",")}\n${stacked(lines)}`,
      )
      .join("\n"),
  vtt: ({ subtitles }) =>
    "WEBVTT\n" +
    subtitles
      .map(
        ({ start, end, lines }) =>
          `\n${time(start, ".")} --> ${time(end, ".")}\n${stacked(lines.map(escaped))}`,
      )
      .join(""),
  txt: ({ text }) => `${text}\n`,
  json: (transcript) => `${JSON.stringify(transcript, null, 2)}\n`,
};

/** Downloads a file. */
export function download(name: string, content: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
