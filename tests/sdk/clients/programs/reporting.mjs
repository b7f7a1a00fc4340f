// Tries one use of a client after another, and prints what came of each as JSON: null where it worked.
import { readFileSync } from "node:fs";

export async function report(packages, uses) {
  const found = {};
  for (const [name, use] of Object.entries(uses)) {
    try {
      await use();
      found[name] = null;
    } catch (error) {
      const cause = error?.cause?.message ? ` (${error.cause.message})` : "";
      found[name] = `${error?.name}: ${error?.message}${cause}`.slice(0, 2000);
    }
  }
  const version = (name) =>
    JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
  const versions = Object.fromEntries(packages.map((name) => [name, version(name)]));
  console.log(JSON.stringify({ versions, found }));
}

export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg" +
  "gg==";

export const weather = ({ city }) => `${city === "Oslo" ? "rain" : "sun"} in ${city}`;
