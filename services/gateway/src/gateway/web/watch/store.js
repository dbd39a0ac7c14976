// What this browser remembers: names, keys of rooms that one was in, how far one's own copies are off, the volume.

import { openStorage } from "/client.js";

const MOST = 100;
const storage = openStorage();

/** Whether nothing outlives a reload. */
export const isForgetful = storage.blocked === true;

function read(name, otherwise) {
  try {
    return JSON.parse(storage.getItem(`matinee.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function write(name, value) {
  try {
    storage.setItem(`matinee.${name}`, JSON.stringify(value));
  } catch {
    // A full storage only forgets.
  }
}

/** The newest hundred of something, by key. */
function shelf(name) {
  const all = () => read(name, []);
  return {
    get: (key) => all().find(([kept]) => kept === key)?.[1],
    put: (key, value) => write(name, [...all().filter(([kept]) => kept !== key), [key, value]].slice(-MOST)),
    drop: (key) => write(name, all().filter(([kept]) => kept !== key)),
  };
}

/** The six digits of private rooms, by party: the server itself cannot tell them again. */
export const keys = shelf("keys");

/** Seconds by which one's own copy starts later than the party's, by source. */
export const offsets = shelf("offsets");

export const volume = {
  get: () => read("volume", { volume: 1, muted: false }),
  put: (value) => write("volume", value),
};

/** What somebody chose about the talk beside a film, by name. */
export const choices = {
  get: (name, otherwise) => read(`talk.${name}`, otherwise),
  put: (name, value) => write(`talk.${name}`, value),
};
