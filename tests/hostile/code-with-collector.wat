;; Makes objects of the host's garbage collector.
;;
;; request: load
;; status: 400
;; error: gc types are disabled

(type $chain (struct (field (ref null $chain))))
(func $hostile (result i32)
  (local $all (ref null $chain))
  (loop $again
    (local.set $all (struct.new $chain (local.get $all)))
    (br $again))
  unreachable)
