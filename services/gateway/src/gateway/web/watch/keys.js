// Keys that control the film, unless what has the focus wants them for itself.

const KEYS = {
  " ": (stage) => stage.toggle(), k: (stage) => stage.toggle(),
  ArrowLeft: (stage) => stage.skip(-5), ArrowRight: (stage) => stage.skip(5),
  j: (stage) => stage.skip(-10), l: (stage) => stage.skip(10),
  m: (stage) => stage.mute(), f: (stage) => stage.fullScreen(),
};

/** Do what a key that was pressed is for, if anything. */
export function pressed(event, stage) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const act = KEYS[key];
  if (!act || takes(event.target, key)) return;
  event.preventDefault();
  if (!event.repeat || key.startsWith("Arrow") || key === "j" || key === "l") act(stage);
}

/** Whether what has the focus wants this key for itself. */
function takes(target, key) {
  if (!(target instanceof Element)) return false;
  if (target.closest("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]")) return true;
  if (key === " ") return target.closest("button, summary, a, input") !== null;
  return key.startsWith("Arrow") && target.closest("input, [role=tab], [role=log]") !== null;
}
