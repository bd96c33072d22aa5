// What the machine tells of itself, and how it is shown until there is a screen.
export interface Progress {
  stage: "checking" | "downloading" | "preparing" | "running" | "waiting" | "stopping" | "stopped" | "failed";
  title: string;
  message: string;
  percent: number | null;
  bytes_done: number;
  bytes_total: number | null;
  bytes_per_second: number | null;
  seconds_left: number | null;
  sound: boolean; // whether it plays any
  starter: string | null; // the command that starts it, where the viewer ends with it
}

export const hasScreen = ({ stage }: Progress): boolean =>
  stage === "running" || stage === "waiting" || stage === "stopping";

const headlines: Record<Progress["stage"], string> = {
  checking: "Checking this host",
  downloading: "Downloading",
  preparing: "Preparing the machine",
  running: "Running",
  waiting: "Paused",
  stopping: "Shutting down",
  stopped: "Stopped",
  failed: "It did not work",
};

export const headline = (progress: Progress): string => headlines[progress.stage];

const megabytes = (bytes: number): string =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

function span(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s left`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

// "412 of 720 MB · 8.1 MB/s · 38 s left"
export function figures(progress: Progress): string {
  if (!progress.bytes_done && !progress.bytes_total) return "";
  const parts = [
    progress.bytes_total
      ? `${megabytes(progress.bytes_done)} of ${megabytes(progress.bytes_total)}`
      : megabytes(progress.bytes_done),
  ];
  if (progress.bytes_per_second) parts.push(`${megabytes(progress.bytes_per_second)}/s`);
  if (progress.seconds_left !== null) parts.push(span(progress.seconds_left));
  return parts.join(" · ");
}
