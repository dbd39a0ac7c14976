// What was on the screen for a moment was read.

const SEEN_AFTER = 1_500;

/**
 * Calls `read` once there was something `unread()` in sight for a moment. Returned: `look()`, to be called whenever there may
 * be something; `close()`.
 */
export function seeing({ unread, read }) {
  let timer = 0;

  function look() {
    if (timer || !unread()) return;
    timer = setTimeout(() => {
      timer = 0;
      // Behind another page it waits until somebody sees this one.
      if (document.hidden) return look();
      return unread() && read();
    }, SEEN_AFTER);
  }
  return { look, close: () => clearTimeout(timer) };
}
