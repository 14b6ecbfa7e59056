import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const hub = process.env.TUKUR_HUB ?? "http://127.0.0.1:8787";

export default defineConfig({
  plugins: [svelte()],
  // Relative, so that one build serves under any path; the hub completes what is in the HTML files.
  base: "./",
  build: {
    outDir: here("../src/tukur/hub/web"),
    emptyOutDir: true,
    // light-dark() is kept as it is: what follows knows it.
    target: ["chrome123", "firefox121", "safari17.5"],
    // The Content-Security-Policy lets nothing run that is not a file of ours.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    // The licences of what is bundled, beside it.
    license: { fileName: "licenses.md" },
    rolldownOptions: { input: { index: here("index.html"), docs: here("docs.html") } },
  },
  server: { proxy: { "/api": { target: hub, ws: true, changeOrigin: false } } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
