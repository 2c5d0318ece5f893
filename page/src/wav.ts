/** 16-bit samples and WAV files: what is sent while recording is also what is kept. */

/** Converts samples from -1 to 1. */
export function pcm16(samples: Float32Array): Int16Array<ArrayBuffer> {
  return Int16Array.from(samples, (sample) => Math.max(-1, Math.min(1, sample)) * 0x7fff);
}

const HEADER = 44;

/** Returns the duration of a file of `bytes` bytes. */
export function secondsWithin(bytes: number, sampleRate: number): number {
  return (bytes - HEADER) / 2 / sampleRate;
}

/** Makes a WAV file with one channel. */
export function wavFile(chunks: Int16Array<ArrayBuffer>[], sampleRate: number, name: string): File {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const header = new DataView(new ArrayBuffer(HEADER));
  const ascii = (at: number, text: string) =>
    [...text].forEach((letter, index) => header.setUint8(at + index, letter.charCodeAt(0)));
  ascii(0, "RIFF");
  header.setUint32(4, HEADER - 8 + bytes, true);
  ascii(8, "WAVEfmt ");
  header.setUint32(16, 16, true); // bytes of the format
  header.setUint16(20, 1, true); // integers
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, sampleRate, true);
  header.setUint32(28, 2 * sampleRate, true); // bytes a second
  header.setUint16(32, 2, true); // bytes a frame
  header.setUint16(34, 16, true); // bits a sample
  ascii(36, "data");
  header.setUint32(40, bytes, true);
  return new File([header, ...chunks], name, { type: "audio/wav" });
}
