/** The API's bodies, by their names there. */
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Host = Schemas["Host"];
export type Series = Schemas["Series"];
export type Figure = Schemas["Figure"];
export type ProcessDetail = Schemas["ProcessDetail"];
export type Order = Schemas["Order"];
export type OrderRequest = Schemas["OrderRequest"];
export type Session = Schemas["Session"];
export type Top = Schemas["Top"];
export type Exit = Schemas["Exit"];
export type Exits = Schemas["Exits"];
export type OomKill = Schemas["OomKill"];
export type OomKills = Schemas["OomKills"];
export type AuditEntry = Schemas["AuditEntry"];
export type AuditEntries = Schemas["AuditEntries"];
export type RecordGap = Schemas["RecordGap"];
export type RecordGaps = Schemas["RecordGaps"];
export type StoreUsage = Schemas["StoreUsage"];
export type TopGroup = Schemas["TopGroup"];
export type TopList = Schemas["TopList"];
export type Signal = OrderRequest["signal"];
export type TopBy = "cpu" | "rss" | "read" | "write" | "io";
