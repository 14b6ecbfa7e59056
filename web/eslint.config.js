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
      // Sets and maps in a $state.raw are replaced, never mutated.
      "svelte/prefer-svelte-reactivity": "off",
      "max-len": ["error", { code: 160, ignoreUrls: true }],
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    files: ["**/*.svelte"],
    rules: {
      // typescript-eslint does not resolve the types of imported components and callbacks; svelte-check does.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      // $props() with $bindable() needs `let`.
      "prefer-const": "off",
      // The plugin does not run the compiler's accessibility checks, so every exemption looks unused to it.
      "svelte/no-unused-svelte-ignore": "off",
      // {" "} keeps a space that formatting would remove.
      "svelte/no-useless-mustaches": "off",
    },
  },
  { files: ["scripts/**", "*.config.js"], extends: [ts.configs.disableTypeChecked] },
);
