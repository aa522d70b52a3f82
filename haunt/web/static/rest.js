// The server's resources over plain HTTP.

import { token } from "./token.js";

/** Why a request was refused; `status` is 0 where the server could not be reached. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The answer as data. Raises Refused. */
export async function get(path) {
  const headers = token() === null ? {} : { Authorization: `Bearer ${token()}` };
  let response;
  try {
    response = await fetch(path, { headers, cache: "no-store" });
  } catch {
    throw new Refused(0, "unreachable", "The server cannot be reached");
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, data.error ?? "refused", data.message ?? response.statusText);
  return data;
}

/** The answer, or null where there is none now: the page shows what it has, and asks again. */
export async function look(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

export function symbolPath(resource, symbol, query = {}) {
  const asked = new URLSearchParams(query).toString();
  return `api/${resource}/${encodeURIComponent(symbol)}${asked && `?${asked}`}`;
}
