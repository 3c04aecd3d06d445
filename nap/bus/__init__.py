"""Who can be reached: delivering a call to an operator wherever its link is."""
