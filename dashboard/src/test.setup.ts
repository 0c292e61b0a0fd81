// What the logic under test needs of a browser: where the page is.

import { vi } from "vitest";

vi.stubGlobal("document", { baseURI: "http://localhost:8080/" });
