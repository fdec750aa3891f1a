// Builds what the npm package has besides the scripts that servers serve: the hooks for
// React, the same entry points as CommonJS, and types for both. It runs before `npm pack`
// and `npm publish`, and needs Go for the esbuild that go.mod pins.
import { execFileSync } from "node:child_process"
import { copyFileSync, cpSync, existsSync, rmSync, writeFileSync } from "node:fs"

process.chdir(import.meta.dirname)
const compiler = "node_modules/typescript/bin/tsc"
if (!existsSync(compiler)) {
  console.error("js: TypeScript is not installed: run npm ci, then this again")
  process.exit(1)
}

const run = (command, ...args) => execFileSync(command, args, { stdio: "inherit" })
const esbuild = (...args) => run("go", "tool", "esbuild", "--bundle", "--external:react", "--external:wirepost", "--charset=utf8", "--log-level=warning", ...args)

for (const made of ["cjs", "types"]) rmSync(made, { recursive: true, force: true })

// Frameworks that render components on servers take this for what runs in browsers only.
const client = '--banner:js="use client";'
esbuild("react=src/react/index.ts", "--format=esm", "--minify", "--target=chrome91,firefox90,safari15", client, "--outdir=.")
esbuild("react=src/react/index.ts", "--format=cjs", "--target=es2022", client, "--outdir=cjs")
// Without a second file to load: neither React Native nor Jest could. The platform makes
// esbuild list the exports in the way in which `import` of Node.js finds them.
esbuild("wirepost=src/index.ts", "more=src/wirepost-more.ts", "persist=src/wirepost-persist.ts", "--format=cjs", "--platform=node", "--target=es2022", "--outdir=cjs")

run(process.execPath, compiler, "--project", "tsconfig.types.json")
// Below another package.json, the same declarations are those of CommonJS.
cpSync("types", "cjs/types", { recursive: true })
writeFileSync("cjs/package.json", '{ "type": "commonjs" }\n')
copyFileSync("../LICENSE", "LICENSE")
