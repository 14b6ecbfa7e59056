import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

export default ts.config(
  { ignores: ["node_modules/", "public/", "**/schema.d.ts"] },
  ts.configs.strictTypeChecked,
  svelte.configs.recommended,
  svelte.configs.prettier,
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.node },
      parserOptions: { projectService: true, extraFileExtensions: [".svelte"] },
    },
    rules: {
      // Typed arrays and columns are indexed in hot loops under noUncheckedIndexedAccess.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `() => act()` as a handler is shorter than a block.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // `void value` names what a $derived or $effect depends on.
      "@typescript-eslint/no-meaningless-void-operator": "off",
      "max-len": ["error", { code: 160, ignoreUrls: true }],
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    // Signals and promises of Svelte's files lose their types in the parser now and then.
    files: ["**/*.svelte"],
    rules: {
      // $props() with $bindable() needs `let`.
      "prefer-const": "off",
    },
  },
  { files: ["scripts/**", "*.config.js"], extends: [ts.configs.disableTypeChecked] },
);
