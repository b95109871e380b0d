// The three nodes become one replica set, once; then this waits for its first primary.
try {
  rs.initiate({ _id: "lab", members: [1, 2, 3].map((node) => ({ _id: node, host: `mongo-${node}:27017` })) });
} catch (error) {
  if (error.codeName !== "AlreadyInitialized") throw error;
}
for (let waited = 0; waited < 60 && !rs.status().members.some((member) => member.stateStr === "PRIMARY"); waited++) sleep(1000);
if (!rs.status().members.some((member) => member.stateStr === "PRIMARY")) throw new Error("no primary after a minute");
