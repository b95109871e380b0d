"""A Terraform provider's schema, read out of the bindings that are published for other languages (cdktf, cdktn).

The package holds two things: `.jsii`, which has every resource's arguments with their types and whether they are required, and the
JavaScript, which has what that lacks: which attributes the provider computes, and which blocks are sets.

    python schema.py PACKAGE_FOLDER OUT.json
"""
import json, pathlib, re, sys

ATTRIBUTE = re.compile(r"// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n\s*(?:get (\w+)\(|(?:this\.)?_(\w+) = new )")
BLOCK = re.compile(r'^\s+(\w+): \{\n\s*value: .*\n\s*isBlock: (?:true|false),\n\s*type: "(\w+)"', re.M)
CLASS = re.compile(r"^(?:class (\w+) extends|function (\w+)ToHclTerraform)", re.M)
RESOURCE_BEFORE = re.compile(r'^(\w+)\.tfResourceType = "([^"]+)"', re.M)
RESOURCE_WITHIN = re.compile(r'^class (\w+) extends (?:(?!^class )[\s\S])*?static tfResourceType = "([^"]+)"', re.M)
HCL_NAME = re.compile(r"[/a-z_0-9]+#(\w+) \w+#")
MAP = re.compile(r"(String|Number|Boolean|Any)Map(List)?$")
PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
KINDS = {"TerraformResource": "resource_schemas", "TerraformDataSource": "data_source_schemas", "TerraformProvider": "provider"}


class Bindings:
    """One package, unpacked."""

    def __init__(self, folder: pathlib.Path):
        described = json.loads((folder / ".jsii").read_text())
        package = json.loads((folder / "package.json").read_text())
        self.provider = (package.get("cdktn") or package["cdktf"])["provider"]
        self.types = described["types"]
        # Of a class in a module: (HCL name, computed, name in the class); of a struct: HCL name → list, set or struct.
        self.attributes: dict[tuple, list[tuple]] = {}
        self.nesting: dict[tuple, dict[str, str]] = {}
        self.resource_names: dict[tuple, str] = {}
        for file in sorted(folder.glob("lib/*/index.js")):
            self._read(file.parent.name, file.read_text().split("//# sourceMappingURL")[0])
        self.module = {name: self._module(type) for name, type in self.types.items()}
        self.within: list[str] = []

    @staticmethod
    def _module(type: dict) -> str | None:
        found = re.match(r"src/([^/]+)/index", type.get("symbolId", ""))
        return found[1] if found else None

    def _read(self, module: str, source: str) -> None:
        found = list(CLASS.finditer(source))
        ends = [match.start() for match in found[1:]] + [len(source)]
        for match, end in zip(found, ends):
            body = source[match.start():end]
            name = match[1] or match[2][0].upper() + match[2][1:]
            if match[1]:
                self.attributes[module, name] = [(a[1], a[2] == "true", a[5] or a[6]) for a in ATTRIBUTE.finditer(body)]
            self.nesting.setdefault((module, name), {}).update((b[1], b[2]) for b in BLOCK.finditer(body))
        for pattern in (RESOURCE_BEFORE, RESOURCE_WITHIN):
            self.resource_names.update(((module, match[1]), match[2]) for match in pattern.finditer(source))

    def _key(self, name: str) -> tuple:
        return self.module.get(name), self.types[name]["name"] if name in self.types else name

    def _properties(self, name: str) -> dict:
        return {each["name"]: each for each in self.types.get(name, {}).get("properties", [])}

    def _type(self, given: dict, nesting: str | None = None):
        """As Terraform's protocol has it; `{"struct": NAME}` where it is a struct of the bindings."""
        if "primitive" in given:
            return PRIMITIVES[given["primitive"]]
        if "collection" in given:
            kind = "map" if given["collection"]["kind"] == "map" else "set" if nesting == "set" else "list"
            return [kind, self._type(given["collection"]["elementtype"])]
        if "union" in given:
            return self._type(next(each for each in given["union"]["types"] if not each.get("fqn", "").endswith(".IResolvable")), nesting)
        name = given["fqn"].split(".")[-1]
        if name == "IResolvable":
            return "bool"
        if found := MAP.match(name):
            of = ["map", PRIMITIVES[found[1].lower()]]
            return ["list", of] if found[2] else of
        return {"struct": given["fqn"]}

    def _computed_type(self, given: dict):
        type = self._type(given)
        if isinstance(type, list) and isinstance(type[1], dict):
            return [type[0], self._computed_type(type[1])]
        if not isinstance(type, dict):
            return type
        name = given.get("fqn") or type["struct"]
        if name.endswith("List"):
            element = name.removesuffix("List") + "OutputReference"
            return ["list", self._object(element) if element in self.types else "dynamic"]
        return self._object(name) if name.endswith("OutputReference") else "dynamic"

    def _object(self, name: str):
        known = self._properties(name)
        return ["object", {hcl: self._computed_type(known[own]["type"]) for hcl, _, own in self.attributes.get(self._key(name), []) if own in known}]

    def _block(self, config: str, tells: str) -> dict:
        """`config` is what may be set, `tells` the class that has what can be read."""
        if config in self.within:
            return {"attributes": {}, "block_types": {}}
        self.within.append(config)
        attributes, blocks = {}, {}
        nesting = {**self.nesting.get(self._key(tells), {}), **self.nesting.get(self._key(config), {})}
        computed = {hcl for hcl, is_computed, _ in self.attributes.get(self._key(tells), []) if is_computed}
        for own, given in self._properties(config).items():
            found = HCL_NAME.search(json.dumps(given.get("docs", {})))
            name = found[1] if found else re.sub(r"(?<!^)([A-Z])", r"_\1", own).lower()
            type = self._type(given["type"], nesting.get(name))
            repeated = type[0] if isinstance(type, list) and isinstance(type[1], dict) else None
            struct = type[1] if repeated else type
            required = not given.get("optional")
            # A resource's id that isn't given is the provider's to give.
            flags = {"required": required, "optional": not required, "computed": not required and (name in computed or name == "id" and len(self.within) == 1)}
            if not isinstance(struct, dict):
                attributes[name] = {"type": type, **flags}
                continue
            nested = self._block(struct["struct"], struct["struct"] + "OutputReference")
            if given.get("docs", {}).get("summary", "").strip() == f"{name} block.":
                single = name == "timeouts"
                kind = "single" if single else "set" if nesting.get(name) == "set" else "list"
                blocks[name] = {"nesting": kind, "min": int(required and not single), "max": 0 if repeated or single else 1, "block": nested}
            else:
                attributes[name] = {"nested": {"nesting": repeated or "single", "attributes": nested["attributes"]}, **flags}
        known = self._properties(tells)
        for name, _, own in self.attributes.get(self._key(tells), []):
            if name not in attributes and name not in blocks and own in known:
                attributes[name] = {"type": self._computed_type(known[own]["type"]), "required": False, "optional": False, "computed": True}
        self.within.pop()
        return {"attributes": attributes, "block_types": blocks}

    def schema(self) -> dict:
        schema = {**self.provider, "resource_schemas": {}, "data_source_schemas": {}}
        for name, type in self.types.items():
            kind = KINDS.get(type.get("base", "").split(".")[-1])
            if type["kind"] != "class" or kind is None:
                continue
            block = self._block(name + "Config", name)
            if kind == "provider":
                block["attributes"].pop("alias", None)
                schema[kind] = block
            else:
                schema[kind][self.resource_names[self._key(name)]] = block
        return schema


if __name__ == "__main__":
    pathlib.Path(sys.argv[2]).write_text(json.dumps(Bindings(pathlib.Path(sys.argv[1])).schema(), separators=(",", ":")))
