// Runs before the first paint, so that a chosen theme does not flash in after the system's.
(() => {
  const chosen = localStorage.getItem("tukur.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
