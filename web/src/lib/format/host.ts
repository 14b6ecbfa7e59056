/** What a host is, in words. */
import type { Host } from "../api/types";

export type HostState = Host["state"];

const REASONS: Record<string, string> = {
  removed: "its instance group has removed it",
  deleting: "its instance group is deleting it",
  recreated: "its instance group has created it anew, as another host",
  preempted: "Google has preempted it",
  abandoned: "its instance group has abandoned it",
};

/** Why a host that is not connected is silent, as a sentence. */
export function silenceText(host: Pick<Host, "name" | "state" | "instance">): string {
  switch (host.state) {
    case "left":
      return `${host.name} has left: ${REASONS[host.instance?.reason ?? ""] ?? "its machine no longer exists"}.`;
    case "suspended":
      return `${host.name} is suspended.`;
    case "stopped":
      return host.instance?.reason === "preempted"
        ? `${host.name} is stopped: Google has preempted it.`
        : `${host.name} is stopped.`;
    case "unknown":
      return unknownText(host.name);
    case "online":
      // The list of hosts is a little older than the connection to the host.
      return host.instance ? unknownText(host.name) : downText(host.name);
    default:
      return downText(host.name);
  }
}

const unknownText = (name: string) =>
  `${name} is not connected, and its instance group has not said yet what became of it.`;
const downText = (name: string) => `${name} is offline: its agent is not connected.`;

/** Whether a silent host need not alarm anybody. */
export const isSilentForAReason = (host: Pick<Host, "state" | "instance">): boolean =>
  host.instance !== null && !isDown(host.state);

/** Whether somebody should look after a host in this state. */
export const isDown = (state: HostState): boolean => state === "offline";
