// Waiting for what must come, and no longer than that. The machine may be busy, so patience is long; nothing waits
// it out when all is well.

export const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** The promise, or an error that says what did not come. */
export function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Looks again and again until `check` does not throw any more; then its last error is the truth. */
export async function eventually(check) {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}
