/** How long pointer or keyboard have not moved on the table. */

/** What rests for so long is not about to click, and must not hide what happens. */
const REST_MS = 4000;

export class Attention {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #x = Number.NaN;
  #y = Number.NaN;

  constructor(
    private readonly onactive: () => void,
    private readonly onrest: () => void,
  ) {}

  /** A key, a press, a turn of the wheel. */
  active(): void {
    this.onactive();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.onrest(), REST_MS);
  }

  /** The pointer is at this place. Browsers report it also where the rows move, and not the pointer. */
  at(x: number, y: number): void {
    if (x === this.#x && y === this.#y) return;
    [this.#x, this.#y] = [x, y];
    this.active();
  }

  /** Px from the top of the window; NaN: it is elsewhere. */
  get y(): number {
    return this.#y;
  }

  gone(): void {
    clearTimeout(this.#timer);
    this.#x = this.#y = Number.NaN;
  }
}
