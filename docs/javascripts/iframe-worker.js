// Search in a site that was opened from a folder: a browser starts no worker there, so the worker's script runs in a
// hidden frame instead. Served by a server, the site uses a real worker and nothing here takes effect. The theme asks
// for the name IFrameWorker.
"use strict";

if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = null;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      const inside = frame.contentWindow;
      const tell = (type, data) => {
        const event = new MessageEvent(type, { data });
        this.dispatchEvent(event);
        if (type === "message" && this.onmessage) this.onmessage(event);
      };
      // What a worker finds in its global scope.
      inside.document.open();
      inside.document.write("<!doctype html><html><body></body></html>");
      inside.document.close();
      inside.postMessage = (data) => setTimeout(() => tell("message", data));
      inside.importScripts = async (...addresses) => {
        for (const each of addresses) await load(inside.document, each);
      };
      this._ready = load(inside.document, String(address));
      this._inside = inside;
      this._frame = frame;
    }

    postMessage(data) {
      this._ready.then(() => {
        this._inside.dispatchEvent(new this._inside.MessageEvent("message", { data, source: window }));
      });
    }

    terminate() {
      this._frame.remove();
    }
  }

  function load(inside, address) {
    return new Promise((loaded, failed) => {
      const script = inside.createElement("script");
      script.src = new URL(address, document.baseURI).href;
      script.onload = loaded;
      script.onerror = failed;
      inside.body.appendChild(script);
    });
  }

  window.IFrameWorker = IFrameWorker;
  window.Worker = IFrameWorker;
}
