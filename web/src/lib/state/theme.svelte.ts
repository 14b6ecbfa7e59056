/** Dark or light: the system's theme, or the user's choice. */

type Choice = "system" | "dark" | "light";
const KEY = "tukur.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

class Theme {
  choice = $state<Choice>(stored());
  #systemDark = $state(system.matches);

  constructor() {
    system.addEventListener("change", () => {
      this.#systemDark = system.matches;
    });
  }

  get dark(): boolean {
    return this.choice === "system" ? this.#systemDark : this.choice === "dark";
  }

  /** Switches the theme; returns to the system's if that is the same. */
  toggle(): void {
    const wanted: Choice = this.dark ? "light" : "dark";
    this.choice = (wanted === "dark") === this.#systemDark ? "system" : wanted;
    if (this.choice === "system") {
      localStorage.removeItem(KEY);
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem(KEY, this.choice);
      document.documentElement.dataset.theme = this.choice;
    }
  }
}

function stored(): Choice {
  const text = localStorage.getItem(KEY);
  return text === "dark" || text === "light" ? text : "system";
}

export const theme = new Theme();
