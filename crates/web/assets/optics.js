// Beer–Lambert in the browser: what `domain::colour::predict` does on the server, with the server's own numbers.

export const optics = JSON.parse(document.getElementById("optics").textContent);

const encoded = linear => {
  const light = Math.min(1, Math.max(0, linear));
  return Math.round(255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055));
};

/** The screen colour of amounts in µL, in the order of `optics.dyes`. */
export function predict(amounts) {
  const xyz = [...optics.offset];
  for (let sample = 0; sample < optics.xyz[0].length; sample++) {
    let absorbance = 0;
    optics.dyes.forEach((dye, index) => { absorbance += (dye.absorbance[sample] ?? 0) * (amounts[index] || 0) / optics.full_well_ul; });
    const light = 10 ** -absorbance;
    for (let axis = 0; axis < 3; axis++) xyz[axis] += light * optics.xyz[axis][sample];
  }
  const [x, y, z] = xyz.map(value => Math.max(0, value));
  const channels = [
    3.2404542 * x - 1.5371385 * y - 0.4985314 * z,
    -0.9692660 * x + 1.8760108 * y + 0.0415560 * z,
    0.0556434 * x - 0.2040259 * y + 1.0572252 * z,
  ];
  return "#" + channels.map(channel => encoded(channel).toString(16).padStart(2, "0")).join("");
}
