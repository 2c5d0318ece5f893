/** The dark or light theme, as the system has it. */

const dark = matchMedia("(prefers-color-scheme: dark)");

export function followTheme(): void {
  const follow = () => document.documentElement.classList.toggle("wa-dark", dark.matches);
  follow();
  dark.addEventListener("change", follow);
}

/** Calls `changed` when the theme changes. */
export function onTheme(changed: () => void): void {
  dark.addEventListener("change", changed);
}

/** Returns the colours of the theme, for what is drawn by scripts. */
export function lookOf(element: HTMLElement): {
  waveColor: string;
  progressColor: string;
  cursorColor: string;
  regionColor: string;
} {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    waveColor: colour("--wave"),
    progressColor: colour("--wave-played"),
    cursorColor: colour("--wave-cursor"),
    regionColor: colour("--wave-word"),
  };
}
