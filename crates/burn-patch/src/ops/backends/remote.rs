//! Remote, a device that another process serves: the composed defaults, since a server knows Burn's own operations alone.
//! With `fusion`, Burn's Remote is a Fusion over its router. The router has none of these traits, so what
//! [`super::fusion`] and `backend_extension` implement for any Fusion does not reach it.

use burn::backend::Remote;
use burn::remote::RemoteHost;
use burn::tensor::Device;

use crate::ops::{AdamWOps, LayerGrads, LayerOps, PartOps, PatchGrads, PatchOps};

impl PatchOps for Remote {}

impl PatchGrads for Remote {}

impl LayerOps for Remote {}

impl LayerGrads for Remote {}

impl AdamWOps for Remote {}

impl PartOps for Remote {}

/// The first device that is served at `address`, `HOST:PORT`; otherwise why there is none. Burn goes on trying for 16 s.
pub(super) fn connect(address: &str) -> Result<Device, String> {
    let host = RemoteHost::websocket(&format!("ws://{address}"));
    let device = Device::remote_options(&host).init();
    device.map_err(|error| error.to_string())
}
