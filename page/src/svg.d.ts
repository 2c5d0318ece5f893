/** An image as a data: URL, which esbuild makes of it. */
declare module "*.svg" {
  const url: string;
  export default url;
}
