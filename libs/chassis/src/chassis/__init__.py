"""How every gRPC process of the mesh runs, and how it calls others."""
