/** An image as a data: URL, made by esbuild. */
declare module "*.svg" {
  const url: string;
  export default url;
}
