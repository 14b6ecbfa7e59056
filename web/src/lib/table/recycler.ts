/**
 * Assigns row elements of the document to process lives.
 *
 * A life that stays visible keeps its element; the elements of rows that scrolled away are reused for new
 * ones. So scrolling creates no elements, and the row under the pointer never becomes another process.
 */
export class RowRecycler {
  #elementOf = new Map<number, number>();
  #count = 0;

  /** The element of each visible life, in the order of `lives`. */
  assign(lives: readonly number[]): number[] {
    const next = new Map<number, number>();
    for (const life of lives) {
      const element = this.#elementOf.get(life);
      if (element !== undefined) next.set(life, element);
    }
    const taken = new Set(next.values());
    const free: number[] = [];
    for (let element = this.#count - 1; element >= 0; element -= 1)
      if (!taken.has(element)) free.push(element);
    for (const life of lives) if (!next.has(life)) next.set(life, free.pop() ?? this.#count++);
    this.#elementOf = next;
    return lives.map((life) => next.get(life) as number);
  }
}
