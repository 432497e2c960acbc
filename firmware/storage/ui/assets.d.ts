/** What vite bundles that is no TypeScript. */
declare module '*.css'
