/** The client of the hub's API. An error response becomes an ApiError with the hub's code and text. */
import { base } from "../base";
import { type Frame, decodeFrame } from "../frame/decode";
import type { ProcessKey } from "../table/store";
import type {
  Account,
  AuditEntries,
  Devices,
  Exits,
  Host,
  Hosts,
  Invitation,
  NewUser,
  OomKills,
  Order,
  OrderRequest,
  ProcessDetail,
  RecordGaps,
  SecondFactorSecret,
  Series,
  Session,
  StoreUsage,
  TopBy,
  TopList,
  User,
  UserChange,
} from "./types";

export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0: the hub could not be reached. */
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

const FRAME_TYPE = "application/vnd.tukur.frame";

/** A process table of the past. */
interface Instant {
  frame: Frame;
  atMs: number;
  exact: boolean;
  /** When the sample was taken, nanoseconds since boot: it names the sample. */
  bootNs: string;
  /** The names of all samples of that second, the newest last. */
  samples: string[];
}

interface Options {
  method?: string;
  body?: unknown;
  accept?: string;
  signal?: AbortSignal | undefined;
  /** After so many ms without a response the hub counts as unreachable; none: as long as the browser waits. */
  timeoutMs?: number;
}

/** For what is asked again and again, to see whether the hub is there. */
const POLL_TIMEOUT_MS = 8000;

let onSignedOut: () => void = () => undefined;
let onHeard: (responds: boolean) => void = () => undefined;

/** Sets the callback for a response that says that the session has ended. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** Sets the callback for each request: whether the hub has responded. */
export function whenHeard(callback: (responds: boolean) => void): void {
  onHeard = callback;
}

async function request(path: string, options: Options = {}): Promise<Response> {
  const { method = "GET", body, accept = "application/json", signal, timeoutMs } = options;
  const init: RequestInit = { method, headers: { Accept: accept }, credentials: "same-origin" };
  if (body !== undefined) {
    init.headers = { Accept: accept, "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const signals = [signal, timeoutMs && AbortSignal.timeout(timeoutMs)].filter(
    (each) => each instanceof AbortSignal,
  );
  if (signals.length > 0) init.signal = AbortSignal.any(signals);
  let response: Response;
  try {
    response = await fetch(base + path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    onHeard(false);
    throw new ApiError(0, "unreachable", "the hub does not respond");
  }
  if (response.ok) {
    onHeard(true);
    return response;
  }
  const problem = await problemOf(response);
  // A proxy responds in place of a hub that does not; the hub's own problems have a code.
  onHeard(problem.code !== "" || ![502, 503, 504].includes(problem.status));
  if (response.status === 401 && path !== "/api/session") onSignedOut();
  throw problem;
}

async function problemOf(response: Response): Promise<ApiError> {
  const fallback = `the hub responded with ${response.status} ${response.statusText}`.trim();
  try {
    const body = (await response.json()) as { code?: string; detail?: string };
    return new ApiError(response.status, body.code ?? "", body.detail ?? fallback);
  } catch {
    return new ApiError(response.status, "", fallback);
  }
}

async function json<T>(path: string, options?: Options): Promise<T> {
  return (await (await request(path, options)).json()) as T;
}

const userPath = (name: string) => `/api/users/${encodeURIComponent(name)}`;
const hostPath = (id: string) => `/api/hosts/${encodeURIComponent(id)}`;

export const api = {
  signIn: (token: string) => json<Session>("/api/session", { method: "POST", body: { token } }),
  signInAs: (user: string, password: string, code: string) =>
    json<Session>("/api/session", { method: "POST", body: { user, password, code } }),
  signInWays: () => json<{ provider: string | null }>("/api/sign-in"),
  session: () => json<Session>("/api/session"),
  signOut: async () => {
    await request("/api/session", { method: "DELETE" });
  },
  account: () => json<Account>("/api/account"),
  setPassword: (password: string, present: string) =>
    request("/api/account/password", { method: "PUT", body: { new: password, present } }),
  endSession: (id: string) =>
    request(`/api/account/sessions/${encodeURIComponent(id)}`, { method: "DELETE" }),
  endOtherSessions: () => request("/api/account/sessions", { method: "DELETE" }),
  beginSecondFactor: () => json<SecondFactorSecret>("/api/account/second-factor", { method: "POST" }),
  confirmSecondFactor: async (code: string) =>
    (await json<{ codes: string[] }>("/api/account/second-factor", { method: "PUT", body: { code } })).codes,
  endSecondFactor: (code: string) =>
    request("/api/account/second-factor/off", { method: "POST", body: { code } }),
  users: async () => (await json<{ users: User[] }>("/api/users")).users,
  addUser: (body: NewUser) => json<Invitation>("/api/users", { method: "POST", body }),
  changeUser: (name: string, body: UserChange) => json<User>(userPath(name), { method: "PATCH", body }),
  removeUser: (name: string) => request(userPath(name), { method: "DELETE" }),
  resetUser: (name: string, secondFactor: boolean) =>
    json<Invitation>(`${userPath(name)}/reset`, { method: "POST", body: { second_factor: secondFactor } }),
  endUsersSessions: (name: string) => request(`${userPath(name)}/sessions`, { method: "DELETE" }),
  health: () => request("/healthz", { timeoutMs: POLL_TIMEOUT_MS }),
  hosts: (left: boolean) =>
    json<Hosts>(left ? "/api/hosts?left=true" : "/api/hosts", { timeoutMs: POLL_TIMEOUT_MS }),
  host: (id: string) => json<Host>(hostPath(id)),
  series: (id: string, fromMs: number, toMs: number, points: number, signal?: AbortSignal) =>
    json<Series>(`${hostPath(id)}/series?from=${Math.floor(fromMs)}&to=${Math.ceil(toMs)}&points=${points}`, {
      signal,
    }),
  devices: (id: string, fromMs: number, toMs: number, points: number, signal?: AbortSignal) =>
    json<Devices>(
      `${hostPath(id)}/devices?from=${Math.floor(fromMs)}&to=${Math.ceil(toMs)}&points=${points}&limit=8`,
      { signal },
    ),
  instant: async (
    id: string,
    atMs: number,
    sample: string | null,
    signal?: AbortSignal,
  ): Promise<Instant> => {
    const chosen = sample === null ? "" : `&boot_ns=${sample}`;
    const response = await request(`${hostPath(id)}/processes?at=${Math.floor(atMs)}${chosen}`, {
      accept: FRAME_TYPE,
      signal,
    });
    const frame = decodeFrame(new Uint8Array(await response.arrayBuffer()));
    return {
      frame,
      atMs: Number(response.headers.get("Tukur-At-Ms") ?? frame.wallMs),
      exact: response.headers.get("Tukur-Exact") !== "false",
      bootNs: response.headers.get("Tukur-Boot-Ns") ?? "",
      samples: (response.headers.get("Tukur-Samples") ?? "").split(",").filter((name) => name !== ""),
    };
  },
  now: async (id: string, signal?: AbortSignal): Promise<Frame> => {
    const response = await request(`${hostPath(id)}/processes`, { accept: FRAME_TYPE, signal });
    return decodeFrame(new Uint8Array(await response.arrayBuffer()));
  },
  top: (id: string, fromMs: number, toMs: number, by: TopBy, group: TopList["group"], signal?: AbortSignal) =>
    json<TopList>(
      `${hostPath(id)}/top?from=${Math.floor(fromMs)}&to=${Math.ceil(toMs)}&by=${by}&group=${group}&limit=50`,
      { signal },
    ),
  ooms: (id: string, fromMs: number, toMs: number, signal?: AbortSignal) =>
    json<OomKills>(`${hostPath(id)}/ooms?from=${Math.floor(fromMs)}&to=${Math.ceil(toMs)}&limit=500`, {
      signal,
    }),
  gaps: (id: string, fromMs: number, toMs: number, signal?: AbortSignal) =>
    json<RecordGaps>(`${hostPath(id)}/gaps?from=${Math.floor(fromMs)}&to=${Math.ceil(toMs)}&limit=100`, {
      signal,
    }),
  audit: (filter: Record<string, string>, before: number | null) =>
    json<AuditEntries>(
      `/api/audit?${new URLSearchParams({ ...filter, ...(before === null ? {} : { before: String(before) }) })}`,
    ),
  store: () => json<StoreUsage>("/api/store"),
  exits: (
    id: string,
    fromMs: number,
    toMs: number,
    onlyFailed: boolean,
    after: string | null,
    signal?: AbortSignal,
  ) =>
    json<Exits>(
      `${hostPath(id)}/exits?from=${Math.floor(fromMs)}&to=${Math.ceil(toMs)}&only=${onlyFailed ? "failed" : "all"}${after ? `&after=${after}` : ""}`,
      { signal },
    ),
  process: (id: string, key: ProcessKey, signal?: AbortSignal) =>
    json<ProcessDetail>(`${hostPath(id)}/processes/${key.bootId}/${key.pid}/${key.startNs}`, { signal }),
  order: (id: string, body: OrderRequest) => json<Order>(`${hostPath(id)}/orders`, { method: "POST", body }),
  follow: (orderId: string, signal?: AbortSignal) =>
    json<Order>(`/api/orders/${encodeURIComponent(orderId)}?wait_s=6`, { signal }),
  decide: (orderId: string, approve: boolean) =>
    json<Order>(`/api/orders/${encodeURIComponent(orderId)}/decision`, { method: "POST", body: { approve } }),
  orders: async () => (await json<{ orders: Order[] }>("/api/orders?limit=50")).orders,
};
