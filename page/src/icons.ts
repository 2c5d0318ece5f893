/** The icons of the page, from Bootstrap Icons: the component library would load its own. */

import { registerIconLibrary } from "@awesome.me/webawesome/dist/components/icon/library.js";

import retry from "bootstrap-icons/icons/arrow-repeat.svg";
import download from "bootstrap-icons/icons/download.svg";
import warning from "bootstrap-icons/icons/exclamation-triangle.svg";
import key from "bootstrap-icons/icons/key-fill.svg";
import microphone from "bootstrap-icons/icons/mic-fill.svg";
import pause from "bootstrap-icons/icons/pause-fill.svg";
import play from "bootstrap-icons/icons/play-fill.svg";
import stop from "bootstrap-icons/icons/stop-fill.svg";
import upload from "bootstrap-icons/icons/upload.svg";

const ICONS: Record<string, string> = {
  retry,
  download,
  warning,
  key,
  microphone,
  pause,
  play,
  stop,
  upload,
};

registerIconLibrary("default", { resolver: (name) => ICONS[name] ?? "" });
