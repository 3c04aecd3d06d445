"""Our chargers: their links, what they say and are asked, and the transactions at them."""
